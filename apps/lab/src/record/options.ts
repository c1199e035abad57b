// What `record` can be told.

export type RecordOptions = Readonly<{
  from:
    | Readonly<{ kind: "monitor"; socketPath: string; everyMs: number; forMs: number }>
    | Readonly<{ kind: "recording"; file: string }>;
  outFile: string;
}>;
