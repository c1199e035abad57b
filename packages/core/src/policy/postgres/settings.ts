// PostgreSQL's settings as far as they decide about memory, and whose they are: a role or a database may have its own.

/** For one session, or for the server as a whole. */
export type SessionSettings = Readonly<{
  workMemBytes: number;
  hashMemMultiplier: number;
  maintenanceWorkMemBytes: number;
  /** null: maintenance_work_mem. */
  autovacuumWorkMemBytes: number | null;
  sharedBuffersBytes: number;
  hasHugePages: boolean;
  maxConnections: number;
  maxParallelMaintenanceWorkers: number;
}>;

/** What ALTER ROLE … SET and ALTER DATABASE … SET say. null: for every database, for every role. */
export type SettingsOverride = Readonly<{
  database: string | null;
  role: string | null;
  settings: Partial<
    Pick<SessionSettings, "workMemBytes" | "hashMemMultiplier" | "maintenanceWorkMemBytes">
  >;
}>;

export type PostgresSettings = Readonly<{
  server: SessionSettings;
  overrides: readonly SettingsOverride[];
}>;

/**
 * The settings that a session of `role` in `database` started with: a role's in one database count more than a role's, and
 * those more than the database's. What it SET since then nobody else can see.
 */
export function settingsOf(
  { server, overrides }: PostgresSettings,
  database: string | null,
  role: string | null,
): SessionSettings {
  return overrides
    .filter((one) => one.database === null || one.database === database)
    .filter((one) => one.role === null || one.role === role)
    .sort((a, b) => weight(a) - weight(b))
    .reduce((settings, one) => ({ ...settings, ...one.settings }), server);
}

function weight({ database, role }: SettingsOverride): number {
  return (role === null ? 0 : 2) + (database === null ? 0 : 1);
}
