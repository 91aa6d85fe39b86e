/** Time and randomness of this machine, behind the ports. */
export { createSystemClock } from './clock.ts'
export { createSystemRandom } from './random.ts'
