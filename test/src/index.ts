/** End-to-end tests on real processes, sockets and disks. */
export {}
