// Conversations between agents and monitors, kept in a file and read again: docs/recording.md.
export { withoutCredentials } from "./address.ts";
export { type App, type Header, type Lost, type RecordedEvent, type Way } from "./format.ts";
export { olderPart, RecordingRefusedError } from "./file.ts";
export { readRecordings, UnreadableRecordingError, type Recording } from "./read.ts";
export { Recorder, type Peer, type RecorderOptions } from "./recorder.ts";
export { type Tape } from "./tape.ts";
