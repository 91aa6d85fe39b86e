/** The signed log of records, its two implementations, and the catalog rebuilt from it. */
export {}
