/** `host:port` on the outside, multiaddrs on the inside. Names are resolved here, by the system's resolver. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { HoldfastError } from '@holdfast/ports'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'

/** Addresses tried per dial: more only delay the next attempt. */
export const DIAL_ADDRESSES_MAX = 16

interface HostPort {
  readonly host: string
  readonly port: number
}

/** @throws HF_BAD_INPUT */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) throw new HoldfastError('HF_BAD_INPUT', `${text} is not host:port`)
  return { host, port }
}

export const formatHostPort = ({ host, port }: HostPort): string =>
  isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`

/** The multiaddrs behind `host:port`. @throws HF_BAD_INPUT, HF_PEER_UNREACHABLE if the name does not resolve */
export async function resolveHostPort(text: string): Promise<Multiaddr[]> {
  const { host, port } = parseHostPort(text)
  const found = isIP(host) ? [{ address: host, family: isIP(host) }] : await lookUp(host)
  return found.map(({ address, family }) => multiaddr(`/ip${family === 6 ? 6 : 4}/${address}/tcp/${port}`))
}

async function lookUp(host: string): Promise<{ address: string; family: number }[]> {
  try {
    return await lookup(host, { all: true })
  } catch (cause) {
    throw new HoldfastError('HF_PEER_UNREACHABLE', `the name ${host} does not resolve`, { cause, retryable: true })
  }
}

/** Where others can reach a node that listens at these multiaddrs: loopback only if there is nothing else. */
export function reachableHostPorts(listening: readonly Multiaddr[]): string[] {
  const all = listening.flatMap((address): HostPort[] => {
    const parts = address.getComponents()
    const host = parts.find((p) => p.name === 'ip4' || p.name === 'ip6')?.value
    const port = parts.find((p) => p.name === 'tcp')?.value
    return host === undefined || port === undefined ? [] : [{ host, port: Number(port) }]
  })
  const outside = all.filter((a) => !isLoopback(a) && !isLinkLocal(a))
  return [...new Set((outside.length > 0 ? outside : all).map(formatHostPort))]
}

const isLoopback = ({ host }: HostPort): boolean => host === '::1' || host.startsWith('127.')
const isLinkLocal = ({ host }: HostPort): boolean => host.toLowerCase().startsWith('fe80:')
