// STAND-IN until bootstrap.ts lands: mean of the groups' means, resampled within groups.
export function meanOfMeans(groups: readonly (readonly number[])[]): number {
  return mean(groups.map(mean));
}
function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
export function interval95(groups: readonly (readonly number[])[]): readonly [number, number] {
  let state = 12345;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296;
  const draws = Array.from({ length: 2000 }, () =>
    meanOfMeans(groups.map((g) => g.map(() => g[Math.floor(next() * g.length)] ?? 0))),
  ).sort((a, b) => a - b);
  return [draws[50] ?? NaN, draws[1949] ?? NaN];
}
