/** Who lacks what, from whom, how fast. */
export {}
