// How a monitor with one of these defects reads a frame.
import { decodeFromAgent, type Decoded, type FromAgent } from "@selfscale/protocol";
import { type Defect } from "./monitor-defects.ts";

/** As every monitor reads it, but for what the defect gets wrong. */
export function misread(text: string, defect: Defect | null): Decoded<FromAgent> {
  const nonsense = (id: number | null) =>
    ({ ok: false, kind: "bad-fields", problem: "I don't take that", id }) as const;
  const decoded = decodeFromAgent(defect === null ? text : liberally(text, defect));
  if (!decoded.ok) return decoded;
  const { id } = decoded.message;
  switch (defect) {
    case "few-cpu-digits":
      return /"cpu":\d*\.?\d{0,3}[,}]/.test(text) || !text.includes('"cpu"')
        ? decoded
        : nonsense(id);
    case "integer-literals-only":
      return /"mem":\d+[.e]/.test(text) ? nonsense(id) : decoded;
    case "strict-fields":
      return /"(next|padding)":/.test(text) ? nonsense(id) : decoded;
    case "strict-keys":
      return /"id":[^,{}]*,"id":/.test(text) ? nonsense(id) : decoded;
    case "strict-reasons":
      return text.includes("next-years-word") ? nonsense(id) : decoded;
    default:
      return decoded;
  }
}

/** Repaired before it is read. */
function liberally(text: string, defect: Defect): string {
  switch (defect) {
    case "takes-no-content":
      return text.replace('{"type":"HealthCheck"', '{"content":{},"type":"HealthCheck"');
    case "takes-no-id":
      return text.replace(/"type":"HealthCheck"\}$/, '"type":"HealthCheck","id":0}');
    case "takes-numbers-as-text":
      return text.replace(/"(cpu|mem)":"(\d+)"/g, '"$1":$2');
    case "types-in-any-case":
      return text.replace('"healthcheck"', '"HealthCheck"').replace('{"size":[1]}', "{}");
    default:
      return text;
  }
}
