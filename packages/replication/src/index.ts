/** Who lacks what, from whom, how fast: the messages between members, and the pure state machines that follow journals,
 *  feed followers, fetch chunks and judge levels. Nothing here reads a clock, draws randomness or touches a socket. */
export * from './ack-book.ts'
export * from './backoff.ts'
export * from './credit.ts'
export * from './feed.ts'
export * from './fetch.ts'
export * from './fetch-events.ts'
export * from './follow.ts'
export * from './levels.ts'
export * from './limits.ts'
export * from './members.ts'
export * from './message-codecs.ts'
export * from './messages.ts'
