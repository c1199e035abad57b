// Numbers and times as the page shows them.

/** "6:05" within a day's hours, "6:05:30" when seconds matter. */
export function clock(sec: number, hasSeconds: boolean): string {
  const whole = Math.floor(sec + 1e-6);
  const minutes = String(Math.floor(whole / 60) % 60).padStart(2, "0");
  const text = `${Math.floor(whole / 3600)}:${minutes}`;
  return hasSeconds ? `${text}:${String(whole % 60).padStart(2, "0")}` : text;
}

export function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
