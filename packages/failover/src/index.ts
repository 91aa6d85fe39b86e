/** Votes and epochs. */
export {}
