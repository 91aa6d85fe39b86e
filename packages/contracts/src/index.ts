/** One test suite per port. */
export {}
