/** What the mesh agrees on, as this node keeps and changes it: charter, volumes, invitations, placement. */
export { createAuthority } from './authority.ts'
export type { Authority } from './authority.ts'
