# option: env SERVICE_TOKEN=hunter2hunter2
threat_source "catalog" "a" {
  seed = tonumber(env("SERVICE_TOKEN"))
}
