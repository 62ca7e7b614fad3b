from leanet.report.command import main

main()
