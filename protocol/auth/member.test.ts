import {
  creator,
  admin,
  mod,
  user,
  banned,
  invited,
  knocking,
  stranger,
  createId,
  joinRule,
  member,
  table,
  all,
  since,
  until,
  inviteLevel,
  inviteKey,
  otherKey,
  signed,
  offer,
  good,
  single,
  by,
  levels,
} from './auth-fixture.ts'

table('membership in general', [
  [all, { type: 'm.room.member', content: { membership: 'join' } }, 'member.malformed'],
  [all, { type: 'm.room.member', stateKey: admin }, 'member.malformed'],
  [all, member(admin, admin, 'dance'), 'member.unknown'],
  [all, { type: 'm.room.member', stateKey: admin, content: { membership: 1 } }, 'member.unknown'],
])

table('joining', [
  [
    all,
    { ...member(creator, creator, 'join'), prevEvents: [createId] },
    'ok',
    [{ type: 'm.room.member', stateKey: creator, content: { membership: 'leave' } }],
  ],
  [all, { ...member(stranger, stranger, 'join'), prevEvents: [createId] }, 'join.not_invited'],
  [
    all,
    { ...member(creator, creator, 'join'), prevEvents: [createId, createId] },
    'join.not_invited',
    [{ type: 'm.room.member', stateKey: creator, content: { membership: 'leave' } }],
  ],
  [all, member(admin, stranger, 'join'), 'join.sender', joinRule('public')],
  [all, member(banned, banned, 'join'), 'join.banned', joinRule('public')],
  [all, member(stranger, stranger, 'join'), 'join.not_invited'],
  [all, member(invited, invited, 'join'), 'ok'],
  [all, member(user, user, 'join'), 'ok'],
  [all, member(stranger, stranger, 'join'), 'ok', joinRule('public')],
  [all, member(invited, invited, 'join'), 'join.not_allowed', joinRule('private')],
  [all, member(stranger, stranger, 'join'), 'join.not_allowed', joinRule('org.other')],
  [until(6), member(invited, invited, 'join'), 'join.not_allowed', joinRule('knock')],
  [since(7), member(invited, invited, 'join'), 'ok', joinRule('knock')],
  [since(7), member(stranger, stranger, 'join'), 'join.not_invited', joinRule('knock')],
  [until(7), member(invited, invited, 'join'), 'join.not_allowed', joinRule('restricted')],
  [until(9), member(invited, invited, 'join'), 'join.not_allowed', joinRule('knock_restricted')],
])

for (const [rule, first] of [
  ['restricted', 8],
  ['knock_restricted', 10],
] as const) {
  table(`joining by ${rule}`, [
    [since(first), member(invited, invited, 'join'), 'ok', joinRule(rule)],
    [since(first), member(user, user, 'join'), 'ok', joinRule(rule)],
    [since(first), member(stranger, stranger, 'join'), 'join.not_authorised', joinRule(rule)],
    [since(first), member(stranger, stranger, 'join', by(user)), 'ok', joinRule(rule)],
    [since(first), member(stranger, stranger, 'join', by(invited)), 'join.not_authorised', joinRule(rule)],
    [since(first), member(stranger, stranger, 'join', by('nonsense')), 'join.not_authorised', joinRule(rule)],
    [
      since(first),
      member(stranger, stranger, 'join', by(user)),
      'join.not_authorised',
      [...joinRule(rule), inviteLevel(50)],
    ],
    [since(first), member(stranger, stranger, 'join', by(mod)), 'ok', [...joinRule(rule), inviteLevel(50)]],
    [since(first), member(banned, banned, 'join', by(mod)), 'join.banned', joinRule(rule)],
  ])
}

table('inviting', [
  [all, member(user, stranger, 'invite'), 'ok'],
  [all, member(stranger, stranger, 'invite'), 'invite.sender_not_joined'],
  [all, member(invited, stranger, 'invite'), 'invite.sender_not_joined'],
  [all, member(admin, user, 'invite'), 'invite.target_joined'],
  [all, member(admin, banned, 'invite'), 'invite.target_banned'],
  [all, member(user, stranger, 'invite'), 'invite.level', [inviteLevel(50)]],
  [all, member(mod, stranger, 'invite'), 'ok', [inviteLevel(50)]],
])

table('inviting by third party', [
  [all, member(mod, stranger, 'invite', good), 'ok', single],
  [
    all,
    member(mod, stranger, 'invite', good),
    'ok',
    offer({ public_keys: [{ public_key: otherKey.publicKey }, { public_key: inviteKey.publicKey }] }),
  ],
  [
    all,
    member(mod, banned, 'invite', signed({ mxid: banned, token: 'token' })),
    'invite.target_banned',
    single,
  ],
  [all, member(mod, stranger, 'invite', { third_party_invite: {} }), 'invite.third_party', single],
  [all, member(mod, stranger, 'invite', { third_party_invite: 1 }), 'invite.third_party', single],
  [all, member(mod, stranger, 'invite', signed({ mxid: stranger })), 'invite.third_party', single],
  [all, member(mod, stranger, 'invite', signed({ token: 'token' })), 'invite.third_party', single],
  [all, member(mod, invited, 'invite', good), 'invite.third_party', single],
  [all, member(mod, stranger, 'invite', good), 'invite.third_party'],
  [all, member(admin, stranger, 'invite', good), 'invite.third_party', single],
  [
    all,
    member(mod, stranger, 'invite', signed({ mxid: stranger, token: 'token' }, otherKey)),
    'invite.third_party',
    single,
  ],
  [
    all,
    member(mod, stranger, 'invite', good),
    'invite.third_party',
    offer({ public_key: 'x', public_keys: 1 }),
  ],
])

table('a membership of what is no user', [
  [all, member(mod, 'x', 'invite'), 'member.malformed'],
  [all, member(mod, '@x', 'ban'), 'member.malformed'],
])

table('leaving, kicking and lifting bans', [
  [all, member(user, user, 'leave'), 'ok'],
  [all, member(invited, invited, 'leave'), 'ok'],
  [until(6), member(knocking, knocking, 'leave'), 'leave.membership'],
  [since(7), member(knocking, knocking, 'leave'), 'ok'],
  [all, member(stranger, stranger, 'leave'), 'leave.membership'],
  [all, member(banned, banned, 'leave'), 'leave.membership'],
  [all, member(stranger, user, 'leave'), 'kick.sender_not_joined'],
  [all, member(mod, user, 'leave'), 'ok'],
  [all, member(mod, invited, 'leave'), 'ok'],
  [all, member(user, invited, 'leave'), 'kick.level'],
  [all, member(mod, admin, 'leave'), 'kick.level'],
  [all, member(mod, banned, 'leave'), 'ok'],
  [
    all,
    member(mod, banned, 'leave'),
    'kick.banned',
    [{ type: 'm.room.power_levels', stateKey: '', content: { ...levels, ban: 60 } }],
  ],
])

table('banning', [
  [all, member(mod, user, 'ban'), 'ok'],
  [all, member(mod, stranger, 'ban'), 'ok'],
  [all, member(user, stranger, 'ban'), 'ban.level'],
  [all, member(mod, admin, 'ban'), 'ban.level'],
  [all, member(mod, mod, 'ban'), 'ban.level'],
  [all, member(stranger, user, 'ban'), 'ban.sender_not_joined'],
])

table('knocking', [
  [until(6), member(stranger, stranger, 'knock'), 'member.unknown', joinRule('knock')],
  [since(7), member(stranger, stranger, 'knock'), 'ok', joinRule('knock')],
  [since(7), member(knocking, knocking, 'knock'), 'ok', joinRule('knock')],
  [since(7), member(stranger, stranger, 'knock'), 'knock.not_allowed'],
  [since(7), member(stranger, stranger, 'knock'), 'knock.not_allowed', joinRule('public')],
  [[7, 8, 9], member(stranger, stranger, 'knock'), 'knock.not_allowed', joinRule('knock_restricted')],
  [since(10), member(stranger, stranger, 'knock'), 'ok', joinRule('knock_restricted')],
  [since(7), member(admin, stranger, 'knock'), 'knock.sender', joinRule('knock')],
  [since(7), member(banned, banned, 'knock'), 'knock.membership', joinRule('knock')],
  [since(7), member(invited, invited, 'knock'), 'knock.membership', joinRule('knock')],
  [since(7), member(user, user, 'knock'), 'knock.membership', joinRule('knock')],
])
