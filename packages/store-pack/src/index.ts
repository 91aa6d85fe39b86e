/** Chunks and journal blocks in append-only packs on a drive. */
export {}
