/** `config.toml`, environment and flags, with the origin of each value. */
export { configValues, readConfig, renderConfig } from './config.ts'
export type { EffectiveConfig } from './config.ts'
export type { Config } from './schema.ts'
