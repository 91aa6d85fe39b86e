/** Who lacks what, from whom, how fast: the messages between members, and the pure state machines that follow journals,
 *  feed followers, fetch chunks and judge levels. Nothing here reads a clock, draws randomness or touches a socket. */
export * from './members.ts'
export * from './messages.ts'
