import { verify } from '@holdfast/keys'
import { equalBytes, hexOf, shortId } from '@holdfast/ports'
import { refused, type Link } from './chain.ts'
import { entryHash, LABELS, type AddressesEntry, type InvitationsEntry, type SignedEntry } from './documents.ts'

/** What holds for every entry: of this mesh, by a node that is or was in it. Monotone, so that entries and versions may
 *  arrive in any order of exchanges. @throws HF_CHARTER_REFUSED */
export function checkAuthor(
  entry: { readonly mesh: Uint8Array; readonly author: Uint8Array; readonly counter: number },
  link: Link,
): void {
  if (!equalBytes(entry.mesh, link.mesh.id)) throw refused('the entry is of another mesh')
  if (!link.everNodes.has(hexOf(entry.author))) throw refused(`the author ${shortId(entry.author)} is not in the mesh`)
  if (entry.counter < 1) throw refused('entries count from 1')
}

/** What holds for entries of which only the newest counts. @throws HF_CHARTER_REFUSED */
export function checkOwnEntry(entry: AddressesEntry | InvitationsEntry, signed: SignedEntry, link: Link): void {
  checkAuthor(entry, link)
  if (!verify(entry.author, LABELS.entryAuthor, entryHash(signed.body), signed.signature)) {
    throw refused(`the ${entry.type} of ${shortId(entry.author)} are not signed by it`)
  }
  if (signed.cosignatures.length > 0 || signed.operatorSignature !== undefined)
    throw refused(`${entry.type} take no other signatures`)
  if (entry.type !== 'invitations') return
  const keys = new Set(entry.invitations.map((invitation) => hexOf(invitation.oneTimeKey)))
  if (keys.size !== entry.invitations.length) throw refused(`${shortId(entry.author)} lists an invitation twice`)
}
