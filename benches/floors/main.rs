//! Servers that decide nothing: the floor under what a server with axum, hyper or tonic can be. `purser bench` takes them
//! for a purser. One thread; prints where it listens. Beside them callers of peers that it cannot ask.

#[path = "../serve/echo.rs"]
mod axum_echo;
mod callers;
mod hyper_echo;
mod tonic_echo;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("a number of connections or seconds");
    match arguments[..] {
        ["axum"] => {
            println!("http://{}", axum_echo::start().address());
            loop {
                std::thread::park();
            }
        }
        ["hyper"] => run(hyper_echo::serve),
        ["tonic"] => run(tonic_echo::serve),
        ["ask-limitador", url, connections, seconds] => {
            callers::limitador(url, number(connections), number(seconds));
        }
        ["ask-rls", url, connections, seconds] => {
            callers::rate_limit_service(url, number(connections), number(seconds));
        }
        _ => {
            eprintln!("axum, hyper, tonic, or ask-limitador or ask-rls URL CONNECTIONS SECONDS");
            std::process::exit(64);
        }
    }
}

/// Serves on a free port, on this thread.
fn run<F: Future<Output = std::io::Result<()>>>(serve: impl FnOnce(tokio::net::TcpListener) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        serve(listener).await
    });
    served.expect("it listens until it is killed");
}
