/** The kernel refused to bring a CPU or a memory block online or offline. */
export class SysfsWriteError extends Error {
  override readonly name = "SysfsWriteError";
  readonly code = "SYSFS_WRITE_FAILED";
  readonly path: string;
  readonly value: string;
  /** The kernel's own word: EBUSY, EINVAL, EACCES, … */
  readonly errno: string;

  constructor(path: string, value: string, cause: unknown) {
    const errno = (cause as NodeJS.ErrnoException).code ?? "unknown";
    super(`writing ${JSON.stringify(value)} to ${path} failed: ${errno}`, { cause });
    this.path = path;
    this.value = value;
    this.errno = errno;
  }
}
