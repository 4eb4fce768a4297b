/** A disk that can be full: memory of a fixed size, mounted. */

import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const pieceBytes = 64 * 1024

/** Why no disk can be mounted on this machine; undefined: one can. */
export function smallDiskMissing(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'a small disk can be mounted by root alone'
}

export class SmallDisk implements AsyncDisposable {
  readonly #root: string
  /** Its only folder. */
  readonly directory: string

  private constructor(root: string) {
    this.#root = root
    this.directory = join(root, 'disk')
  }

  /** `user`: whose it is; absent: that of this process. */
  static async mount(
    megabytes: number,
    user?: { readonly uid: number; readonly gid: number },
  ): Promise<SmallDisk> {
    const root = await mkdtemp(join(tmpdir(), 'arena-disk-'))
    await chmod(root, 0o711)
    const disk = new SmallDisk(root)
    await mkdir(disk.directory)
    const owner = user === undefined ? '' : `,uid=${user.uid},gid=${user.gid}`
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700${owner}`, 'tmpfs', disk.directory])
    return disk
  }

  /** Takes all the space that is left. */
  async fill(): Promise<void> {
    await using file = await open(this.#ballast, 'w')
    const piece = Buffer.alloc(pieceBytes)
    try {
      for (;;) await file.write(piece)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }

  /** Gives it back. */
  async free(): Promise<void> {
    await rm(this.#ballast, { force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['--lazy', this.directory])
    await rm(this.#root, { recursive: true, force: true })
  }

  get #ballast(): string {
    return join(this.directory, 'ballast')
  }
}
