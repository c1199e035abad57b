/** A peer's address fit for a file: no user, no password, no query, all of which may be secrets. */
export function withoutCredentials(url: string): string {
  if (!URL.canParse(url)) return "an address that is no URL";
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
