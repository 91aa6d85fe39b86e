import { CaptureThreads } from './threads.ts'
import type { CaptureService, CaptureServiceOptions, VolumeCapture, VolumeCaptureOptions } from './types.ts'
import { VolumeCaptureDriver } from './volume-capture.ts'

export function createCaptureService(options: CaptureServiceOptions): CaptureService {
  const threads = new CaptureThreads(options.clock)
  const captures = new Set<VolumeCapture>()
  return {
    start() {
      threads.start()
      return Promise.resolve()
    },
    async stop() {
      await Promise.all([...captures].map((capture) => capture.stop()))
      await threads.stop()
    },
    open(volume: VolumeCaptureOptions) {
      const capture = new VolumeCaptureDriver(volume, {
        ...options,
        threads,
        onStopped: () => void captures.delete(capture),
      })
      captures.add(capture)
      return capture
    },
  }
}
