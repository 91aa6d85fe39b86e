/** The signed, versioned document of members, volumes and policy. */
export {}
