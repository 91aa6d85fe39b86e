/** In-memory clock, randomness, drive and transport, as strict as the real ones: bounded, back-pressured, copying, abortable. */
export {}
