/** The daemon: composes the packages into a node, with its control API. */
export {}
