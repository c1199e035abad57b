import { execFileSync } from "node:child_process";

/** Keeps a process, its threads and what it starts from now on to one core. */
export function pin(pid: number, core: number): void {
  execFileSync("taskset", ["-a", "-c", "-p", `${core}`, `${pid}`], { stdio: "ignore" });
}
