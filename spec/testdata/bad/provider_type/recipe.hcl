provider "opneai" "x" {}
provider "anthropic" "y" {}
