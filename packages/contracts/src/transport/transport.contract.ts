import { connectionContract } from './connection.contract.ts'
import { streamContract } from './stream.contract.ts'
import type { TransportContract } from './world.ts'

export type { TransportContract } from './world.ts'

/** Everything a transport owes its users, beyond the types: connections, admission, messages, back-pressure, ends. */
export function transportContract(contract: TransportContract): void {
  connectionContract(contract)
  streamContract(contract)
}
