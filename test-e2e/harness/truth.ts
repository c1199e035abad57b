// What a VM really has: read from a QMP socket of its own and from the guest's kernel, never from our agent or monitor.
import { isVirtioMem, QmpClient } from "@selfscale/qmp";

export const MIB = 1024 * 1024;

export type TrueSize = Readonly<{
  vcpus: number;
  /** base + what the guest has plugged. */
  memBytes: number;
  /** base + what the guest was told to reach. */
  requestedBytes: number;
  runState: string;
}>;

/** A second look at one VM. Close it when done. */
export class Truth {
  readonly qmp: QmpClient;

  private constructor(qmp: QmpClient) {
    this.qmp = qmp;
  }

  static async open(socketPath: string): Promise<Truth> {
    return new Truth(await QmpClient.connect(`unix:${socketPath}`));
  }

  async size(): Promise<TrueSize> {
    const [memory, devices, cpus, status] = await Promise.all([
      this.qmp.execute("query-memory-size-summary", {}),
      this.qmp.execute("query-memory-devices", {}),
      this.qmp.execute("query-cpus-fast", {}),
      this.qmp.execute("query-status", {}),
    ]);
    const base = memory["base-memory"];
    const device = devices.find(isVirtioMem);
    return {
      vcpus: cpus.length,
      memBytes: base + (device?.data.size ?? 0),
      requestedBytes: base + (device?.data["requested-size"] ?? 0),
      runState: status.status,
    };
  }

  close(): void {
    this.qmp.close();
  }
}
