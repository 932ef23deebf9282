// Has a server say at which port it listens: started with PORT=0 it takes any
// that is free, and does not say itself.
const { Server } = require("node:net");

const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  this.once("listening", () => console.error("at port", this.address().port));
  return listen.apply(this, args);
};
