// ws, broadcasting as its documentation does: node ws.mjs FRAME FRAMES_A_SECOND
import { WebSocketServer } from "ws";

const [frame, rate] = [process.argv[2], Number(process.argv[3])];
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });

server.on("connection", (client) => client.on("message", () => {}));
server.on("listening", () => console.log(server.address().port));
setInterval(() => {
  for (const client of server.clients) client.send(frame);
}, 1000 / rate);
