/** Which virtio-mem device a VM's memory moves by: the file's `memoryDevice`. */
export type DeviceChoice =
  | Readonly<{ kind: "only-one" }>
  | Readonly<{ kind: "none" }>
  | Readonly<{ kind: "named"; id: string }>;
