/** What processes cost, read from /proc: Linux only. */
import { readFileSync, writeFileSync } from 'node:fs'

/** Ticks a second of the times in /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU seconds of a running process so far: user and system, all threads, those that ended included. */
export function cpuSecondsOf(pid: number): number {
  const [user, system] = timesOf(`/proc/${pid}/stat`, 11)
  return (user + system) / TICKS_PER_SECOND
}

/** CPU seconds of every child of this process that has ended and was waited for. */
export function cpuSecondsOfChildren(): number {
  const [user, system] = timesOf('/proc/self/stat', 13)
  return (user + system) / TICKS_PER_SECOND
}

function timesOf(path: string, index: number): [number, number] {
  const text = readFileSync(path, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ') // the name before may hold anything
  return [Number(fields[index]), Number(fields[index + 1])]
}

/** Highest resident memory since the start or the last `resetRssPeak`, bytes; 0 if the process is gone. */
export function rssBytesPeakOf(pid: number): number {
  return statusBytes(pid, 'VmHWM')
}

/** Resident memory now, bytes; 0 if the process is gone. */
export function rssBytesOf(pid: number): number {
  return statusBytes(pid, 'VmRSS')
}

function statusBytes(pid: number, field: string): number {
  try {
    const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm'))
    return Number(line?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** Makes the present memory the new peak. */
export function resetRssPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** CPU seconds that everything on this machine has used since it started. */
export function cpuSecondsOfMachine(): number {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, soft = 0] = fields
  return (user + nice + system + interrupt + soft) / TICKS_PER_SECOND
}
