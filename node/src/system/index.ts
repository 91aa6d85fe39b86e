/** Time and randomness of this machine, behind the ports. */
export { claimableAddress } from './free-port.ts'
export { createSystemClock } from './clock.ts'
export { makeDirectory } from './make-directory.ts'
export { createSystemRandom } from './random.ts'
