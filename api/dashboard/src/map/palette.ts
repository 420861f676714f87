/** Colours of the map, taken from the CSS variables of its holder so that light and dark have one source. */
export interface Palette {
  ground: string;
  casing: string;
  minor: string;
  middle: string;
  major: string;
  motorway: string;
  path: string;
  label: string;
  halo: string;
  mark: string;
  blue: string;
  darkGreen: string;
  lightGreen: string;
  yellow: string;
  red: string;
  unknown: string;
}

const NAMES: Record<keyof Palette, string> = {
  ground: "--map-ground",
  casing: "--map-casing",
  minor: "--map-minor",
  middle: "--map-middle",
  major: "--map-major",
  motorway: "--map-motorway",
  path: "--map-path",
  label: "--map-label",
  halo: "--map-halo",
  mark: "--map-mark",
  blue: "--band-blue",
  darkGreen: "--band-dark-green",
  lightGreen: "--band-light-green",
  yellow: "--band-yellow",
  red: "--band-red",
  unknown: "--band-unknown",
};

export function readPalette(holder: HTMLElement): Palette {
  const style = getComputedStyle(holder);
  const entries = Object.entries(NAMES).map(([role, variable]) => [role, style.getPropertyValue(variable).trim()]);
  return Object.fromEntries(entries) as Palette;
}
