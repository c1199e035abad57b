// The public names of @selfscale/qmp. README.md shows their use.
export { formatQmpAddress, isQmpAddress, parseQmpAddress, type QmpAddress } from "./address.ts";
export { QmpClient, type QmpConnectOptions, type QmpListener } from "./client.ts";
export {
  isVirtioMem,
  QMP_COMMANDS,
  type QmpArguments,
  type QmpCommandName,
  type QmpCpu,
  type QmpHotpluggableCpu,
  type QmpMemoryDevice,
  type QmpResult,
  type QmpVirtioMem,
} from "./commands.ts";
export { type QmpCallOptions } from "./deadline.ts";
export {
  isQmpError,
  QmpAddressError,
  QmpBusyError,
  QmpCommandError,
  QmpConnectError,
  type QmpConnectReason,
  type QmpEnd,
  type QmpEndReason,
  type QmpError,
  QmpGreetingError,
  type QmpGreetingReason,
  QmpLostError,
  QmpTimeoutError,
  QmpUnexpectedReplyError,
} from "./errors.ts";
export {
  type KnownQmpEvent,
  QMP_EVENTS,
  type QmpEvent,
  type QmpEventName,
  type UnknownQmpEvent,
} from "./events.ts";
export { type QmpGreeting, type QmpTimestamp } from "./message.ts";
