// Light or dark: what the reader's system says, until the button says otherwise. Colours that people who see colours
// differently can tell apart (Okabe and Ito), lighter on dark ground.

const PALETTES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#b0457f", "#8a6d00", "#4b4bb8", "#5b5b5b", "#00838f"],
  dark: ["#56b4e9", "#ff8c42", "#2fc79b", "#e892c0", "#f0c419", "#a3a3ff", "#bdbdbd", "#4dd0e1"],
} as const;

export type Theme = keyof typeof PALETTES;

export function themeNow(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function switchTheme(): void {
  document.documentElement.dataset["theme"] = themeNow() === "dark" ? "light" : "dark";
}

/** Of the n-th policy. */
export function colorOf(index: number): string {
  const palette = PALETTES[themeNow()];
  return palette[index % palette.length] ?? palette[0];
}

/** A custom property of the style sheet, such as "--grid". */
export function styleColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
