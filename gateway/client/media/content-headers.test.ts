import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanContentType, cleanFileName, contentHeaders } from './content-headers.ts'

test('only harmless types are shown inline, whatever the case and parameters', () => {
  const kind = (type: string): string => contentHeaders(type, undefined)['content-disposition'] ?? ''
  assert.equal(kind('image/png'), 'inline')
  assert.equal(kind('IMAGE/PNG; charset=x'), 'inline')
  for (const type of [
    'text/html',
    'Text/HTML;x',
    'image/svg+xml',
    'text/html;image/png',
    'application/octet-stream',
    '',
  ]) {
    assert.equal(kind(type), 'attachment', type)
  }
})

test('a type that is none becomes bytes', () => {
  for (const type of [undefined, '', '  ', 'a/b\r\nx: y', 'ü/b', 'x'.repeat(256)]) {
    assert.equal(cleanContentType(type), 'application/octet-stream')
  }
  assert.equal(cleanContentType(' text/plain; charset=utf-8 '), 'text/plain; charset=utf-8')
})

test('a file name loses its path, its controls and what is beyond 255 characters', () => {
  assert.equal(cleanFileName('../../a\\b/c.txt'), 'c.txt')
  assert.equal(cleanFileName('a\u0000b\r\nc\u202ed'), 'abcd')
  assert.equal(cleanFileName('é'.repeat(300)), 'é'.repeat(255))
  assert.equal(cleanFileName('\ud800.txt'), '\ufffd.txt')
  assert.equal(cleanFileName('  '), undefined)
  assert.equal(cleanFileName(null), undefined)
})

test('a file name stands in one parameter of its header', () => {
  const name = (fileName: string): string =>
    contentHeaders('image/png', fileName)['content-disposition'] ?? ''
  assert.equal(name('name;with;semicolons'), 'inline; filename="name;with;semicolons"')
  assert.equal(name('"; filename*='), 'inline; filename="\\"; filename*="')
  assert.equal(name("it's (é)*"), "inline; filename*=utf-8''it%27s%20%28%C3%A9%29%2A")
})
