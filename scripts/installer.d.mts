export function writeInstaller(folder: string, monitorBundle: string): string;
