/** The command line: parse, call the node, print. */
export {}
