/** The signed, versioned document of members and volumes: pure, without clock, dice or I/O. */
export * from './types.ts'
