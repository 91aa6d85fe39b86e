/** Content-defined chunking in WebAssembly. */
export {}
