/** `config.toml`, environment and flags, with the origin of each value. */
export { configValues, readConfig, renderConfig } from './config.ts'
