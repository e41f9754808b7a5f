/** Figures in words, as the kernel's own views say them: units always, the source always, unknown never 0. */

/** A number that says where it comes from. */
export interface Figure {
  value: number | null;
  unit: string;
  low?: number | null;
  high?: number | null;
  source?: string;
  method?: string | null;
  note?: string;
}

const MARKS: Record<string, string> = { measured: '', published: '°', prior: '~' };

/** Whether something from a saved notebook is a figure. */
export function isFigure(one: unknown): one is Figure {
  if (typeof one !== 'object' || one === null) {
    return false;
  }
  const { value, unit } = one as Record<string, unknown>;
  return (value === null || Number.isFinite(value)) && typeof unit === 'string';
}

/** So many decimals, halves away from 0, in groups of thousands: as the kernel does, and unlike `toLocaleString`, from the exact value. */
function fixed(value: number, decimals: number): string {
  const [whole = '', ...rest] = value.toFixed(decimals).split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...rest].join('.');
}

/** Halves are rounded away from 0. */
function whole(value: number): number {
  return Number(value.toFixed(0));
}

/** Three significant digits, without exponents where they can be read. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size === 0) {
    return '0';
  }
  if (size >= 100) {
    return fixed(value, 0);
  }
  if (size >= 10) {
    return value.toFixed(1);
  }
  if (size >= 0.1) {
    return value.toFixed(2);
  }
  return String(Number(value.toPrecision(2)));
}

function scaled(value: number, steps: [string, number][], base: string): string {
  if (value === 0) {
    return `0 ${base}`;
  }
  const found = steps.find(([, size]) => Math.abs(value) >= size) ?? steps[steps.length - 1];
  return found ? `${short(value / found[1])} ${found[0]}` : `${short(value)} ${base}`;
}

/** `0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 20 min`. */
export function time(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  if (seconds >= 3600) {
    const minutes = whole(seconds / 60);
    return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  }
  if (seconds >= 99.95) {
    const rounded = whole(seconds);
    return `${Math.floor(rounded / 60)} min ${two(rounded % 60)} s`;
  }
  if (seconds > 0 && seconds < 0.01) {
    return `${short(seconds * 1000)} ms`;
  }
  return `${short(seconds)} s`;
}

/** A time that changes while one looks: tenths below ten seconds, else whole seconds. */
export function spoken(seconds: number): string {
  if (seconds < 9.95) {
    return `${seconds.toFixed(1)} s`;
  }
  return seconds < 99.5 ? `${whole(seconds)} s` : time(seconds);
}

function money(value: number): string {
  const sign = value < 0 ? '-' : '';
  if (value === 0) {
    return '$0';
  }
  if (Math.abs(value) >= 0.01) {
    return `${sign}$${fixed(Math.abs(value), 2)}`;
  }
  if (Math.abs(value) >= 0.9995e-3) {
    return `${sign}$${Math.abs(value).toFixed(5).replace(/0+$/, '')}`;
  }
  if (Math.abs(value) < 0.005e-9) {
    return '< 0.01 n$';
  }
  const [unit, one]: [string, number] = Math.abs(value) >= 0.9995e-6 ? ['µ$', 1e-6] : ['n$', 1e-9];
  const many = value / one;
  return `${many.toFixed(Math.abs(many) >= 99.95 ? 0 : Math.abs(many) >= 9.995 ? 1 : 2)} ${unit}`;
}

/** Bytes as `B`, `kB`, `MB` or `GB`. */
export function size(bytes: number): string {
  const steps: [string, number][] = [['GB', 1e9], ['MB', 1e6], ['kB', 1e3], ['B', 1]];
  return bytes >= 1 ? scaled(bytes, steps, 'B') : '0 B';
}

/** A number with its unit. */
export function amount(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return 'unknown';
  }
  switch (unit) {
    case 's':
      return time(value);
    case 'J':
      return scaled(value, [['MJ', 1e6], ['kJ', 1e3], ['J', 1], ['mJ', 1e-3]], 'J');
    case 'W':
      return scaled(value, [['kW', 1e3], ['W', 1]], 'W');
    case 'B':
      return size(value);
    case 'USD':
      return money(value);
    case '1':
      return fixed(value, 2);
  }
  return `${short(value)} ${unit}`;
}

/** A figure with the mark of its source. */
export function figure(one: Figure | null | undefined): string {
  if (!one || one.value === null) {
    return 'unknown';
  }
  return `${MARKS[one.source ?? 'prior'] ?? '~'}${amount(one.value, one.unit)}`;
}

/** Where a figure comes from, in words: for titles. */
export function origin(one: Figure | null | undefined): string {
  if (!one || one.value === null) {
    return one?.note ?? '';
  }
  const words = one.note ? `${one.source ?? 'prior'}: ${one.note}` : (one.source ?? 'prior');
  return one.method ? `${words} (${one.method})` : words;
}
