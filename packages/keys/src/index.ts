/** Signatures, key rings, wrapping and the recovery sheet. */
export {}
