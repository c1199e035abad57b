// Conversations between agents and monitors, kept in a file and read again: docs/recording.md.
export { withoutCredentials } from "./address.ts";
export {
  isLinkEvent,
  type App,
  type Header,
  type LinkEvent,
  type Lost,
  type RecordedEvent,
  type Way,
} from "./format.ts";
export {
  type CpuReading,
  type MemoryReading,
  type OwnEvent,
  type SampleEvent,
  type ShadowEvent,
} from "./measured.ts";
export { olderPart, RecordingRefusedError } from "./file.ts";
export { readRecordings, UnreadableRecordingError, type Recording } from "./read.ts";
export { Recorder, type Peer, type RecorderOptions } from "./recorder.ts";
export { type Tape } from "./tape.ts";
