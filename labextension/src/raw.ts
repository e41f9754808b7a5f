/** JSON from anywhere, read without trust: what is not as expected becomes the nearest nothing. */

export type Raw = Record<string, unknown>;

export function record(one: unknown): Raw {
  return typeof one === 'object' && one !== null && !Array.isArray(one) ? (one as Raw) : {};
}

export function list(one: unknown): unknown[] {
  return Array.isArray(one) ? one : [];
}

export function text(one: unknown, otherwise = ''): string {
  return typeof one === 'string' ? one : otherwise;
}

export function count(one: unknown, otherwise = 0): number {
  return typeof one === 'number' && Number.isFinite(one) ? one : otherwise;
}
