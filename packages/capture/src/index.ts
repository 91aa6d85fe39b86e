/** Watches and walks directories, reads stable files, writes them back. */
export {}
