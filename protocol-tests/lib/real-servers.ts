/** Where the real servers are: `scripts/services run -- COMMAND` exports these variables. */
export interface RealServers {
  readonly kafkaBrokers: string;
  /** No database in it. */
  readonly mongoUri: string;
  readonly redisUrl: string;
}

export function realServers(): RealServers {
  const get = (name: string) => {
    const value = process.env[name];
    if (!value) throw new Error(`${name} is not set: run this below scripts/services run --`);
    return value;
  };
  return {
    kafkaBrokers: get("SOCKEYE_TEST_KAFKA_BROKERS"),
    mongoUri: get("SOCKEYE_TEST_MONGODB_URI"),
    redisUrl: get("SOCKEYE_TEST_REDIS_URL"),
  };
}
