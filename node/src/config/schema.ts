import { z } from 'zod'

const hostPort = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^\s:[\]]+):\d{1,5}$/, 'must be HOST:PORT')
  .refine((value) => Number(value.slice(value.lastIndexOf(':') + 1)) <= 65535, 'has a port above 65535')

/** `config.toml`: what a node may tune for itself. What must agree across the mesh is in the charter. */
export const configSchema = z.strictObject({
  /** Address that peers connect to. */
  listen: hostPort.default('0.0.0.0:4747'),
  /** The only address that others are told, behind NAT or a proxy. */
  announce: hostPort.refine((value) => !/:0+$/.test(value), 'needs a port that others can reach').optional(),
  /** Threads that read, seal and open; 0 means as many as there are cores, at most 4. */
  workers: z.number().int().min(0).max(16).default(0),
  /** What the log says at least. */
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('warn'),
})

export type Config = z.infer<typeof configSchema>
export const CONFIG_KEYS = Object.keys(configSchema.shape).toSorted()

/** Environment variable of a key. */
export const environmentName = (key: string): string => `HOLDFAST_${key.toUpperCase()}`
