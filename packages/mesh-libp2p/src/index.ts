/** The transport port on libp2p. */
export {}
