/** Of a hostname as URL gives it: lower case, IPv4 in full, IPv6 shortened and in brackets. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.[\d.]+$/.test(hostname);
}
